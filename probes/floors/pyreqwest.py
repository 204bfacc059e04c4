"""Sets the floor in pyreqwest: call `min_tls_version(lowest)` of every builder of a client."""

import ssl

lowest = ssl.TLSVersion.TLSv1_2.name.replace("_", ".")
