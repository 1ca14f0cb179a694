"""What roles need from the world, as protocols named by intent."""
