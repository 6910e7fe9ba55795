;; Answers with 200 MB.
(memory (export "memory") 1)
(func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0x8000))
(func (export "call") (param i32 i32 i32 i32 i32 i32) (result i32)
  (drop (memory.grow (i32.const 3100)))
  (i32.store offset=8 (i32.const 512) (i32.const 0x10000))
  (i32.store offset=12 (i32.const 512) (i32.const 200000000))
  (i32.const 512))
