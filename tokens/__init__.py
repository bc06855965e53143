"""The coupon's text: format, key ring, mint and verify. Pure, and below every other room."""
