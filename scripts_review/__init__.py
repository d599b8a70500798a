"""Review of talk tracks: lint, submission, approval by other people, signed documents."""
