;; Calls itself until the stack is used up.
(component
  (core module $m
    (func $deeper (param i64 i64 i64 i64) (result i64)
      (i64.add (local.get 0)
        (call $deeper (local.get 1) (local.get 2) (local.get 3) (local.get 0))))
    (func (export "run") (result i32)
      (drop (call $deeper (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4)))
      (i32.const 0)))
  (core instance $i (instantiate $m))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $command (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $command)))
