"""Budgets in US dollars: layer (Budgeted), budget (Budget), account (who pays), prices (of a request), book
(what is spent), shared (by processes)."""
