;; Spends its time in single instructions that fill all its memory.
(component
  (core module $m
    (memory 768)
    (func (export "run") (result i32)
      (loop $again
        (memory.fill (i32.const 0) (i32.const 1) (i32.const 50331648))
        (memory.copy (i32.const 1) (i32.const 0) (i32.const 50331647))
        (br $again))
      (i32.const 0)))
  (core instance $i (instantiate $m))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $command (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $command)))
