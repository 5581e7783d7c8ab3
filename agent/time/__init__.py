"""What time it is, who says so, and what a device without the time does until somebody tells it."""
