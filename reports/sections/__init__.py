"""The chapters of the report, one a file; each turns results into blocks."""
