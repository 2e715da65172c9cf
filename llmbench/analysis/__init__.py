"""What records mean together: who competes, what is picked, what is chance."""
