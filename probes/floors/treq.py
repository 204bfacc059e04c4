"""Sets the floor in a policy for Twisted's Agent: pass one of it to the Agent that treq is given with every request."""

from twisted.internet import ssl
from twisted.web.client import BrowserLikePolicyForHTTPS


class FlooredPolicy(BrowserLikePolicyForHTTPS):
    def creatorForNetloc(self, hostname, port):
        floor = {"raiseMinimumTo": ssl.TLSVersion.TLSv1_2}
        return ssl.optionsForClientTLS(hostname.decode("ascii"), self._trustRoot, extraCertificateOptions=floor)
