"""Sets the floor in a Scrapy project: put this line into its settings.py. Scrapy before 2.17 does not read it."""

DOWNLOAD_TLS_MIN_VERSION = "TLSv1.2"
