"""What the probes meet: restricted TLS servers, the wire tap in front of them, and the control."""
