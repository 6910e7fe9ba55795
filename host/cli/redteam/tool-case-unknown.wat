;; Answers with an error of a kind that there is not.
(memory (export "memory") 1)
(func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0x8000))
(func (export "call") (param i32 i32 i32 i32 i32 i32) (result i32)
  (i32.store8 (i32.const 512) (i32.const 1))
  (i32.store8 offset=8 (i32.const 512) (i32.const 200))
  (i32.const 512))
