"""Sets the floor in the TLS options of the CRT: make every ClientTlsContext of these.

Leave `cipher_pref` as it is: beside another one a higher `min_tls_ver` is ignored without a word.
"""

from awscrt import io

options = io.TlsContextOptions()
options.min_tls_ver = io.TlsVersion.TLSv1_2
