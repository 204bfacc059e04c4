"""What the probes meet: restricted TLS servers, the wire tap in front of them, and the control."""

import warnings

# tlslite-ng imports asyncore where Python still has it (until 3.12). Under PYTHONWARNINGS=error, which is
# meant for the caller's own programs, that would end every session.
warnings.filterwarnings("ignore", "The asyncore module is deprecated", DeprecationWarning)
