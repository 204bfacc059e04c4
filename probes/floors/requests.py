"""Sets the floor in a Session of requests: use this one for every request."""

import ssl

import requests
import requests.adapters
from urllib3.util.ssl_ import create_urllib3_context

context = create_urllib3_context()
if hasattr(context, "minimum_version"):
    context.minimum_version = ssl.TLSVersion.TLSv1_2
else:  # Python before 3.7
    for old in ("SSLv3", "TLSv1", "TLSv1_1"):
        context.options |= getattr(ssl, "OP_NO_" + old)


class FlooredAdapter(requests.adapters.HTTPAdapter):
    def init_poolmanager(self, *args, **kwargs):
        kwargs["ssl_context"] = context
        return requests.adapters.HTTPAdapter.init_poolmanager(self, *args, **kwargs)

    def proxy_manager_for(self, *args, **kwargs):
        kwargs["ssl_context"] = context
        return requests.adapters.HTTPAdapter.proxy_manager_for(self, *args, **kwargs)


session = requests.Session()
session.mount("https://", FlooredAdapter())
