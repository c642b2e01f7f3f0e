"""Budgets in US dollars: layer (Budgeted), budget (Budget), book (what is spent), shared (by processes)."""
