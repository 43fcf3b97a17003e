"""The application object and what a task can do; its ports come from outside."""
