"""A shop that sends mail, takes money and reports at night."""
