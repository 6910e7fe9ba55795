;; Answers with a text that begins in its memory and ends beyond it.
(memory (export "memory") 1)
(func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0x8000))
(func (export "call") (param i32 i32 i32 i32 i32 i32) (result i32)
  (i32.store offset=8 (i32.const 512) (i32.const 0xfff0))
  (i32.store offset=12 (i32.const 512) (i32.const 0x7fffffff))
  (i32.const 512))
