"""Sets the floor in the TLS options of the CRT: make every ClientTlsContext of these."""

from awscrt import io

options = io.TlsContextOptions()
options.min_tls_ver = io.TlsVersion.TLSv1_2
