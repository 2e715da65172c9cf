"""For authors of plugins: whether a plugin does what llmbench expects of it."""
