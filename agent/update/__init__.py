"""Updates: what is signed, what it asks for, where it goes, and how a wrong one undoes itself."""
