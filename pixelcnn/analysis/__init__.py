"""What a trained model has learnt and what it costs: all that needs the model itself to be looked at."""
