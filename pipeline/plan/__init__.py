"""What a film will take, told before it is made: clips, memory, disk, hours, and what would make it fit."""
