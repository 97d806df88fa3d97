"""Ways to grade many submissions at once."""
