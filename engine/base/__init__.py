"""What every room needs and knows nothing of them: money, time, errors, traces, settings."""
