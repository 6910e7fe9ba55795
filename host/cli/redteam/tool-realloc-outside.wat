;; Has the host write the arguments where there is no memory.
(memory (export "memory") 1)
(func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0xfff0))
(func (export "call") (param i32 i32 i32 i32 i32 i32) (result i32) (i32.const 512))
