with self.acquire_lock():
    self.shared_counter += 1
    self.shared_list.append(item)
