/** A bright room around the scene for reflections, and one lamp that casts soft shadows. */

import { DirectionalLight, Group, HemisphereLight, PMREMGenerator, Vector3 } from "../../vendor/three/three.module.js";
import { RoomEnvironment } from "../../vendor/three/RoomEnvironment.js";

const DIRECTION = new Vector3(0.55, 1, 0.62).normalize();

export class Lights {
  constructor() {
    this.group = new Group();
    this.lamp = new DirectionalLight(0xfff4e8, 2.2);
    this.sky = new HemisphereLight(0xdfe9ff, 0x6a625a, 0.5);
    this.group.add(this.lamp, this.lamp.target, this.sky);
    this.lamp.castShadow = true;
    this.lamp.shadow.mapSize.set(2048, 2048);
    this.lamp.shadow.radius = 4;
  }

  /** @param {any} renderer @param {any} scene */
  surround(renderer, scene) {
    const generator = new PMREMGenerator(renderer);
    const room = new RoomEnvironment();
    scene.environment = generator.fromScene(room, 0.03).texture;
    room.dispose();
    generator.dispose();
  }

  /** Light a scene. @param {import("../../vendor/three/three.module.js").Box3} box */
  fit(box) {
    const centre = box.getCenter(new Vector3());
    const radius = Math.max(box.getSize(new Vector3()).length() / 2, 0.1);
    this.lamp.target.position.copy(centre);
    this.lamp.position.copy(centre).addScaledVector(DIRECTION, radius * 2);
    const { camera } = this.lamp.shadow;
    camera.left = camera.bottom = -radius;
    camera.right = camera.top = radius;
    camera.near = radius * 0.5;
    camera.far = radius * 3.5;
    camera.updateProjectionMatrix();
    const texel = (2 * radius) / this.lamp.shadow.mapSize.x;
    this.lamp.shadow.normalBias = texel * 1.5;
    this.lamp.shadow.bias = -texel / (radius * 3) * 0.7;
    this.group.updateMatrixWorld(true);
  }
}
