"""Sets the floor in pycurl: call `transfer.setopt(pycurl.SSLVERSION, lowest)` for every transfer."""

import ssl

import pycurl

lowest = getattr(pycurl, "SSLVERSION_" + ssl.TLSVersion.TLSv1_2.name)
