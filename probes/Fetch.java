// Fetches a URL with HttpsURLConnection as it is, trusting one CA file, and prints the answer.
import java.io.FileInputStream;
import java.io.InputStream;
import java.net.Proxy;
import java.net.URL;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import javax.net.ssl.HttpsURLConnection;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

public class Fetch {
    public static void main(String[] given) {
        try {
            fetch(given[0], given[1]);
        } catch (Exception error) {
            System.err.println(error);
            System.exit(1);
        }
    }

    static void fetch(String url, String cafile) throws Exception {
        KeyStore trusted = KeyStore.getInstance(KeyStore.getDefaultType());
        trusted.load(null, null);
        try (InputStream file = new FileInputStream(cafile)) {
            trusted.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(file));
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(trusted);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);
        HttpsURLConnection to = (HttpsURLConnection) new URL(url).openConnection(Proxy.NO_PROXY);
        to.setSSLSocketFactory(context.getSocketFactory());
        try (InputStream answer = to.getInputStream()) {
            answer.transferTo(System.out);
        }
    }
}
