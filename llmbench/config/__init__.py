"""What is to be compared: options and where they come from, compositions, rates, the plan."""
