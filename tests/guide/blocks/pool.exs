adapter_args: ["--adapter", "my_adapter.adapter.MyAdapter"]
