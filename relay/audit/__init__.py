"""The audit: what is recorded, how it is proved, shown, and in the end forgotten.

`recorder` notes who used which tool and what was refused; `heads` signs the chains of the audit log; `verify`
looks for edits, gaps and cuts; `export` writes the log down for others; `receipts` tells a customer what
happened; `retention` deletes personal data when their time is over. docs/audit.md is the long version.
"""
