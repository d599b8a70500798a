"""Outbound voice bot with human handoff for loan-repayment reminder calls."""

__version__ = "0.1.0"
