mix snakepit.gen.adapter my_adapter
