"""Sets the floor for curl_cffi, whichever browser's name it has: pass `curl_options=options` to every request.

The names of older Safaris lower the floor, and this wins over the name.
"""

from curl_cffi import CurlOpt, CurlSslVersion

options = {CurlOpt.SSLVERSION: CurlSslVersion.TLSv1_2}
