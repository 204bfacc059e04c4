"""The clients that are measured, a file each; ../README.md is the contract of such a file."""
