"""One reader for every picture and video, so that preprocessing, reenactment and metrics see the same pixels."""
