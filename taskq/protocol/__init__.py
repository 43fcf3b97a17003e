"""Records to dicts and back; it sends nothing and knows no transport."""
