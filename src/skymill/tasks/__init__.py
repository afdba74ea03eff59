"""What is learned: inputs, targets, losses, columns."""
