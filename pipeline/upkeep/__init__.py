"""What keeps runs whole: verify and repair, doctor, accept, restarts, partial films."""
