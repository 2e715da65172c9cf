"""What `llmbench plugins new` copies: a plugin of each kind, which works as it is."""
