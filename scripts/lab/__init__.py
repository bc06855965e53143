"""A private Asterisk and scripted SIP telephones on loopback, for the demo and the tests. Not part of the product."""
