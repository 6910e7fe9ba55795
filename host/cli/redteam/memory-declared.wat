;; Declares all the memory that there can be, and fills the end of it by a segment.
(component
  (core module $m
    (memory 65536)
    (data (i32.const 0xfffffff0) "sixteen bytes...")
    (func (export "run") (result i32) (i32.const 0)))
  (core instance $i (instantiate $m))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $command (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $command)))
