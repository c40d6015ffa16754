SELECT version FROM change_counter
