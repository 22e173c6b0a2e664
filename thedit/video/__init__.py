"""From video files of any origin to cropped, labelled frames."""
