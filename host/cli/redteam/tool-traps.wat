;; Traps at each call.
(memory (export "memory") 1)
(func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0x8000))
(func (export "call") (param i32 i32 i32 i32 i32 i32) (result i32) (unreachable))
