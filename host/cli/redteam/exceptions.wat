;; Throws exceptions that hold each other, so that none can be forgotten.
(component
  (core module $m
    (tag $held (param exnref))
    (global $last (mut exnref) (ref.null exn))
    (func (export "run") (result i32)
      (loop $again
        (block $caught (result exnref)
          (try_table (result exnref) (catch_all_ref $caught)
            (throw $held (global.get $last))))
        (global.set $last)
        (br $again))
      (i32.const 0)))
  (core instance $i (instantiate $m))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $command (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $command)))
