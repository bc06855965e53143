"""A message on its way: envelope, policy, MIME surgery, signature (pure), and the SMTP edges around them."""
