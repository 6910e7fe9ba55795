;; Answers with 24 MB of letters, as much as a call may hand over.
(memory (export "memory") 1)
(func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0x8000))
(func (export "call") (param i32 i32 i32 i32 i32 i32) (result i32)
  (drop (memory.grow (i32.const 400)))
  (memory.fill (i32.const 0x10000) (i32.const 0x78) (i32.const 24000000))
  (i32.store offset=8 (i32.const 512) (i32.const 0x10000))
  (i32.store offset=12 (i32.const 512) (i32.const 24000000))
  (i32.const 512))
